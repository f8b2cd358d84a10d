{% include ("sqlite/" if cookiecutter.database == "sqlite" else "server/") ~ "test_config.py" %}

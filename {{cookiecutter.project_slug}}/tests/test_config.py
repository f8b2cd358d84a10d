{% include "database/" ~ ("sqlite" if cookiecutter.database == "sqlite" else "server") ~ "/test_config.py" %}

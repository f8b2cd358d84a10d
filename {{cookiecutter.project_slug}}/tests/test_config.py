{% include cookiecutter.database ~ "/test_config.py" %}

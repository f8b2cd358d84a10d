{% include cookiecutter.database ~ "/config.py" %}

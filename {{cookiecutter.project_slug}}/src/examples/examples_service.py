{% include cookiecutter.session_style ~ "/examples_service.py" %}

{% include cookiecutter.session_style ~ "/module_service.py" %}

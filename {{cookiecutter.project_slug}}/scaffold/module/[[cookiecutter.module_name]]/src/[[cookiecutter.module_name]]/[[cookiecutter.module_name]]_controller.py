{% include cookiecutter.session_style ~ "/module_controller.py" %}

{% include cookiecutter.session_style ~ "/examples_controller.py" %}

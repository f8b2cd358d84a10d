{% include "session_style/" ~ cookiecutter.session_style ~ "/examples_controller.py" %}

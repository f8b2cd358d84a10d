{% include "session_style/" ~ cookiecutter.session_style ~ "/module_controller.py" %}

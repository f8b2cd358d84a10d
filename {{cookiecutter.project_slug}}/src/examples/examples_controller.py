{% include "session_style/" ~ cookiecutter.session_style ~ ("/guarded_" if cookiecutter.auth == "oidc" else "/") ~ "examples_controller.py" %}

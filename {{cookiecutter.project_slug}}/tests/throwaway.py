{% include "database/" ~ cookiecutter.database ~ "/throwaway.py" %}

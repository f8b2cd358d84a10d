{% include cookiecutter.database ~ "/throwaway.py" %}

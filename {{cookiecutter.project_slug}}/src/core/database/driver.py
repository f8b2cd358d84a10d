{% include "database/" ~ ("sqlite" if cookiecutter.database == "sqlite" else "server") ~ "/driver.py" %}

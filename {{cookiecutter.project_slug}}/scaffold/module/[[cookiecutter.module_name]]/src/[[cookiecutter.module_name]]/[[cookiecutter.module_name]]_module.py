from nest.core import Module

from .[[ cookiecutter.module_name ]]_controller import [[ cookiecutter.plural_class ]]Controller
from .[[ cookiecutter.module_name ]]_service import [[ cookiecutter.plural_class ]]Service


@Module(
    controllers=[ [[ cookiecutter.plural_class ]]Controller],
    providers=[ [[ cookiecutter.plural_class ]]Service],
    imports=[]
)
class [[ cookiecutter.plural_class ]]Module:
    pass

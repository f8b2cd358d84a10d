{% from "text.jinja" import python %}
from nest.core import Module, PyNestFactory

from .app_controller import AppController
from .app_service import APP_INFO, AppService
from .core.core_module import CoreModule, install, lifespan
from .examples.examples_module import ExamplesModule


@Module(
    imports=[
        CoreModule,
        ExamplesModule,
    ],
    controllers=[AppController],
    providers=[AppService],
)
class AppModule:
    pass


app = PyNestFactory.create(
    AppModule,
    title=APP_INFO.app_name,
    description={{ python(cookiecutter.project_description) }},
    version=APP_INFO.app_version,
    lifespan=lifespan,
)

http_server = app.get_server()
install(http_server)

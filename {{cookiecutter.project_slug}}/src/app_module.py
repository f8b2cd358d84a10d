{% from "text.jinja" import python %}
from nest.core import Module, PyNestFactory

from .app_controller import AppController
from .app_service import APP_INFO, AppService
from .config import config, settings
from .core.core_module import CoreModule, lifespan, setup_app
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
setup_app(http_server, config, settings)

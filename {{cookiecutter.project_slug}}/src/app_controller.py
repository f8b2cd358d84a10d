from nest.core import Controller, Get

from .app_service import AppInfo, AppService


@Controller("/")
class AppController:
    def __init__(self, service: AppService) -> None:
        self.service = service

    @Get("/", response_model=AppInfo)
    async def get_app_info(self) -> AppInfo:
        return await self.service.get_app_info()

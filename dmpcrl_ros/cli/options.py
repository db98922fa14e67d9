"""Command-line options made from the tables of settings; they depend on the system and on the method."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import Setting, SettingError, build, table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.nodes import DeploymentSettings
from dmpcrl_ros.settings.run import CommonSettings, Settings, system_table
from dmpcrl_ros.systems.registry import SYSTEMS, system_source

_SECTIONS = 'dmpcrl_ros.sections'  # place in the context of a command
_DEFAULTS = {entry.name: entry.default for entry in table(CommonSettings)}
_KINDS = {int: 'INTEGER', float: 'FLOAT', str: 'TEXT', tuple: 'NAME,...'}


class SettingOption(click.Option):
    """Option of one setting; its value is that of a file, as the word 'auto'.

    Args:
        entry: the setting.
    """

    def __init__(self, entry: Setting):
        self.entry = entry
        flag, name = entry.name.replace('_', '-'), entry.name.replace('.', '__')
        details: dict[str, Any] = {
            'default': entry.plain(entry.default),
            'show_default': True,
            'help': entry.description + (f' [{entry.unit}]' if entry.unit else ''),
        }
        if entry.kind is bool:
            super().__init__([f'--{flag}/--no-{flag}', name], **details)
            return
        if entry.kind is tuple:
            details['default'] = ','.join(details['default'])
        super().__init__([f'--{flag}', name], type=_SettingType(entry), metavar=_metavar(entry), **details)


class _SettingType(click.ParamType):
    """Values of a setting."""

    def __init__(self, entry: Setting):
        self.name, self._entry = entry.kind.__name__, entry

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of a text, as files have it."""
        if not isinstance(value, str):
            return value
        try:
            return self._entry.plain(self._entry.parse(value))
        except SettingError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words of the setting that begin with the incomplete one."""
        return [CompletionItem(word) for word in _words(self._entry) if word.startswith(incomplete)]


class Section(NamedTuple):
    """Options with a heading of their own in the help."""

    heading: str
    options: Sequence[click.Parameter]


class SettingsCommand(click.Command):
    """Command that takes a SYSTEM, and options for the settings of all runs, of that system and of the method.

    Its function is called with `settings` (Settings) in their place.
    """

    deployment = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for the system and the method first, since the options depend on them.

        Raises:
            RegistryError: there is no such system or method.
        """
        chosen = _DEFAULTS['system'], _DEFAULTS['method']
        try:
            chosen = self._chosen(args)
            ctx.meta[_SECTIONS] = self._sections(*chosen)
        except RegistryError:
            if not ctx.resilient_parsing:  # as for the completion of a word, which says nothing
                raise
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not (owners := _owners(error.option_name)):
                raise
            raise click.UsageError(
                f'{error.option_name} is an option of {" and ".join(owners)}; this run has system '
                f'{chosen[0]} and method {chosen[1]}',
                ctx,
            ) from None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The argument SYSTEM, the options of the settings, and those of the command."""
        return [_system_argument(), *_options(self._sections_of(ctx)), *super().get_params(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of the help, section by section."""
        for heading, options in [*self._sections_of(ctx), Section('Options', super().get_params(ctx))]:
            with formatter.section(heading):
                formatter.write_dl([record for each in options if (record := each.get_help_record(ctx))])

    def invoke(self, ctx: click.Context) -> Any:
        """Call the function of the command.

        Raises:
            click.UsageError: a value is out of range, the system is wrong, or the method cannot control it.
        """
        values = {'system': ctx.params.pop('system')}
        for option in _options(self._sections_of(ctx)):
            values[option.entry.name] = ctx.params.pop(option.name)
        try:
            ctx.params |= self._settings(values)
        except (SettingError, NetworkError) as error:
            raise click.UsageError(str(error), ctx) from None
        return super().invoke(ctx)

    def _settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments of the function of the command."""
        deployed = {entry.name for entry in table(DeploymentSettings)} if self.deployment else set()
        settings = Settings(**{name: value for name, value in values.items() if name not in deployed})
        settings.make_system()
        if not self.deployment:
            return {'settings': settings}
        return {'settings': settings, 'deployment': build(DeploymentSettings, values)}

    def _sections_of(self, ctx: click.Context) -> list[Section]:
        if _SECTIONS not in ctx.meta:
            ctx.meta[_SECTIONS] = self._sections(_DEFAULTS['system'], _DEFAULTS['method'])
        return ctx.meta[_SECTIONS]

    def _sections(self, system: str, method: str) -> list[Section]:
        source, of_method = system_source(system), table(METHODS[method].settings)
        tables = {
            'Common': [entry for entry in table(CommonSettings) if entry.name != 'system'],
            f'System {source.name}': system_table(source),
        }
        for group in sorted(dict.fromkeys(_group(entry) for entry in of_method), key=bool):  # those without one first
            heading = f'Method {method}' + (f': {group}' if group else '')
            tables[heading] = [entry for entry in of_method if _group(entry) == group]
        if self.deployment:
            tables['Deployment'] = table(DeploymentSettings)
        return [
            Section(heading, [SettingOption(entry) for entry in entries])
            for heading, entries in tables.items()
            if entries
        ]

    def _chosen(self, args: Sequence[str]) -> tuple[str, str]:
        """System and method that the arguments name; where they do not, the defaults."""
        method = _DEFAULTS['method']
        for place, word in enumerate(args):
            flag, given, value = word.partition('=')
            if flag == '--method':
                method = value if given else ''.join(args[place + 1 : place + 2])
        # to skip the values of options, the options must be known: those of the method, and of systems by their prefix
        options = _options(self._sections(_DEFAULTS['system'], method))
        for name in _prefixes(args).intersection(SYSTEMS.names()) - {_DEFAULTS['system']}:
            options += [SettingOption(entry) for entry in system_table(system_source(name))]
        probe = click.Command('probe', params=[_system_argument(), *options, *self.params], add_help_option=False)
        found = probe.make_context(
            'probe', list(args), resilient_parsing=True, ignore_unknown_options=True, allow_extra_args=True
        ).params['system']
        return (_DEFAULTS['system'] if not found or found.startswith('-') else found), method


class DeployedCommand(SettingsCommand):
    """SettingsCommand with the settings of the nodes: its function is called with `deployment` (DeploymentSettings),
    too."""

    deployment = True


def _options(sections: Sequence[Section]) -> list[SettingOption]:
    return [option for section in sections for option in section.options]


def _owners(flag: str) -> list[str]:
    """Methods and systems that have the option of a flag."""
    name = flag.removeprefix('--').removeprefix('no-').replace('-', '_')
    tables = {f'method {method}': table(METHODS[method].settings) for method in METHODS.names()}
    tables |= {f'system {system}': system_table(SYSTEMS[system]) for system in SYSTEMS.names()}
    return [owner for owner, entries in tables.items() if name in {entry.name for entry in entries}]


def _prefixes(args: Sequence[str]) -> set[str]:
    """Names before the first dot of the options."""
    return {word.removeprefix('--').removeprefix('no-').partition('.')[0].replace('-', '_') for word in args}


def _system_argument() -> click.Argument:
    return click.Argument(['system'], default=_DEFAULTS['system'])


def _group(entry: Setting) -> str:
    return entry.name.rpartition('.')[0]


def _words(entry: Setting) -> tuple[str, ...]:
    """Values that are words."""
    choices = METHODS.names() if entry.name == 'method' else entry.choices
    return (*choices, entry.absent) if entry.absent else choices


def _metavar(entry: Setting) -> str:
    words = _words(entry)
    return f'[{"|".join(words)}]' if entry.choices or entry.name == 'method' else '|'.join((_KINDS[entry.kind], *words))

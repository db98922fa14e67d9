# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Contents of the figures: their panels, lines, names, and that they leave matplotlib as it was."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from helpers import directed_network
from matplotlib.image import imread

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.recording.figures import dual_error, learning_curves, parameters, save_all, states_and_inputs
from dmpcrl_ros.recording.plot_style import moving_average
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step


def run_of(path, network, settings, steps, updates=5):
    """Made-up numbers: states -k and k by turns, costs and TD errors 10^(-k / steps), every third step explored."""
    n, m = network.a.shape[0], network.b.shape[1]
    with RunWriter(path, network, settings) as writer:
        for k in range(steps):
            size = 10.0 ** (-k / steps)
            metrics = {'td_error': np.nan if k == 4 else -size, 'explored': float(k % 3 == 0)}
            metrics |= {'coordination_change': np.nan, 'certified': np.nan, 'learning_held': 0.0}
            writer.record(
                Step(
                    k,
                    np.full(n, k * (-1.0) ** k),
                    np.full(m, 0.1),
                    np.full(network.n_agents, size),
                    metrics,
                    9,
                    ('',) * network.n_agents,
                )
            )
        for i in range(network.n_agents):
            theta = settings.make_agent(network, i).theta
            for update in range(updates + 1 if steps else 0):
                writer.record_parameters(i, 2 * update, update, theta + 0.5 * update)
    return load_run(path)


@pytest.fixture(scope='module')
def chain(tmp_path_factory):
    settings = Settings()
    return run_of(tmp_path_factory.mktemp('chain'), settings.make_system(), settings, 30)


@pytest.fixture(scope='module')
def long(tmp_path_factory):
    settings = Settings()
    return run_of(tmp_path_factory.mktemp('long'), settings.make_system(), settings, 2000)


@pytest.fixture(scope='module')
def directed(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp('directed'), directed_network(), Settings(), 30)


def seen(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def curves(axes):
    """Lines that are not bounds, which span the axes by two points of axes coordinates."""
    return [line for line in axes.lines if line.get_transform() == axes.transData and len(line.get_xdata())]


def bounds(axes):
    return sorted(line.get_ydata()[0] for line in axes.lines if line.get_transform() != axes.transData)


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_states_and_inputs_have_a_panel_for_each_component_of_each_agent(chain):
    figure = states_and_inputs(chain)
    assert len(seen(figure)) == 3 * 3
    assert [axes.get_title() for axes in figure.axes[:3]] == ['agent_1', 'agent_2', 'agent_3']
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ['state x[0] (-)', 'state x[1] (-)', 'input u[0] (-)']
    assert [axes.get_xlabel() for axes in figure.axes] == [''] * 6 + ['control step (-)'] * 3
    for place, axes in enumerate(figure.axes):
        (line,) = curves(axes)
        column = chain.states[:, 2 * (place % 3) + place // 3] if place < 6 else chain.actions[:, place % 3]
        assert line.get_xdata().tolist() == list(range(30))
        assert line.get_ydata().tolist() == column.tolist()
        assert bounds(axes) == [[0.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]][place // 3]


def test_agents_of_unequal_sizes_have_the_panels_that_they_need(directed):
    """2 + 1, 1 + 2 and 3 + 1 components; of the finite bounds, valve's x[0] has one and heater's x[0] one."""
    figure = states_and_inputs(directed)
    assert len(seen(figure)) == 10
    grid = np.array(figure.axes).reshape(5, 3)
    assert [axes.get_ylabel() for axes in grid[2]][2] == 'state x[2] (-)'
    assert [axes.get_xlabel() for axes in (grid[3, 0], grid[4, 1], grid[3, 2])] == ['control step (-)'] * 3
    assert (bounds(grid[0, 1]), bounds(grid[0, 2]), bounds(grid[4, 1])) == ([0.55], [-0.1], [-0.4, 0.4])


def test_a_long_run_shows_means_and_ranges(long):
    """2000 steps in stretches of 2000 // 120 = 16. The states of the first are 0, -1, 2, ..., -15: mean -0.5."""
    axes = states_and_inputs(long).axes[0]
    (line,) = curves(axes)
    assert len(line.get_xdata()) == 125
    assert line.get_ydata()[0] == pytest.approx(-0.5)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert corners[corners[:, 0] == 0.0, 1].min() == -15.0
    assert corners[corners[:, 0] == 0.0, 1].max() == 14.0


def test_many_agents_share_panels(tmp_path):
    settings = Settings(chain__agents=9)
    run = run_of(tmp_path, settings.make_system(), settings, 30, updates=1)
    figure = states_and_inputs(run)
    assert [len(curves(axes)) for axes in seen(figure)] == [9, 9, 9]
    assert len({line.get_color() for line in curves(figure.axes[0])}) == 9
    assert texts(figure.legends[0]) == ['agent_1', 'agent_5', 'agent_9']


def test_td_error_and_cost(chain):
    figure = learning_curves(chain, window=10, baseline=chain)
    errors, costs = seen(figure)
    assert (errors.get_yscale(), costs.get_yscale()) == ('log', 'log')
    assert (errors.get_ylabel(), costs.get_ylabel(), costs.get_xlabel()) == (
        '|TD error| (-)',
        'network stage cost (-)',
        'control step (-)',
    )
    assert texts(figure.legends[0]) == ['step', 'explored step', 'mean of 10 steps', 'untrained, same noise']
    plain, explored, mean = curves(errors)
    assert explored.get_xdata().tolist() == list(range(0, 30, 3))
    assert len(plain.get_xdata()) == 20
    assert mean.get_ydata()[4] == pytest.approx(np.mean(10.0 ** (-np.arange(4) / 30)))  # step 4 has none
    assert len(curves(costs)) == 4
    assert curves(costs)[2].get_ydata()[1] == pytest.approx(3 * (1 + 10 ** (-1 / 30)) / 2)  # three agents
    assert len(curves(learning_curves(chain).axes[1])) == 3
    assert figure.get_figheight() == pytest.approx(3.9)


def test_moving_average_by_hand():
    values = np.array([np.nan, 2.0, 4.0, np.nan, 9.0])
    assert moving_average(values, 2).tolist()[1:] == [2.0, 3.0, 4.0, 9.0]
    assert np.isnan(moving_average(values, 2)[0])
    assert moving_average(np.array([1.0, 2.0, 6.0]), 10).tolist() == [1.0, 1.5, 3.0]


def test_parameters_of_one_agent_have_a_panel_for_each_slice(chain):
    figure = parameters(chain, 'agent_2')
    panels = {axes.get_title(loc='left'): axes for axes in seen(figure)}
    assert list(panels) == [
        'V0',
        'x_lb',
        'x_ub',
        'b',
        'f',
        'A',
        'B',
        'A_0 (state of agent_1)',
        'A_2 (state of agent_3)',
    ]
    assert [len(curves(axes)) for axes in panels.values()] == [1, 2, 2, 2, 3, 4, 2, 4, 4]
    assert texts(panels['A'].get_legend()) == ['[0,0]: 1', '[0,1]: 0.25', '[1,0]: 0', '[1,1]: 1']
    assert curves(panels['A'])[1].get_ydata() == pytest.approx(0.5 * np.arange(6))  # the change, from zero on
    assert [text.get_text() for text in figure.texts] == [
        'update (-)',
        'change from the initial value given in the legend (-)',
    ]


def test_a_slice_of_many_elements_is_drawn_without_a_legend(tmp_path):
    """A legend of 32 lines would leave no room for its panel; matplotlib's warning of that would be an error here."""
    history = SimpleNamespace(
        updates=np.arange(3),
        theta=np.arange(3.0)[:, None] * np.arange(33.0),
        labels=['V', *(f'Q[{k}]' for k in range(32))],
    )
    layouts = {'both': ParameterLayout({'V': (1,), 'Q': (32,)}), 'one': ParameterLayout({'Q': (33,)})}
    run = SimpleNamespace(parameters=dict.fromkeys(layouts, history), agents=('both', 'one'), layout=layouts.get)
    figure = parameters(run, 'both')
    small, large = seen(figure)
    assert texts(small.get_legend()) == ['V: 0'] and large.get_legend() is None
    assert large.get_title(loc='left') == 'Q: 32 elements' and len(curves(large)) == 32
    figure.savefig(tmp_path / 'both.png')
    figure = parameters(run, 'one')
    assert [text.get_text() for text in figure.texts] == ['update (-)', 'change from the initial value\n(-)']
    figure.savefig(tmp_path / 'one.png')


def test_parameters_of_all_agents_share_panels(chain):
    figure = parameters(chain)
    panels = {axes.get_title(loc='left'): axes for axes in seen(figure)}
    assert list(panels) == ['V0', 'x_lb', 'x_ub', 'b', 'f', 'A', 'B', 'A_j']
    assert len(curves(panels['A'])) == 3 * 4
    assert len(curves(panels['A_j'])) == (1 + 2 + 1) * 4
    assert texts(figure.legends[0]) == ['agent_1', 'agent_2', 'agent_3', *(f'element {k}' for k in range(1, 5))]


def test_dual_error():
    figure = dual_error({'seed 1': np.array([1.0, 0.1, 0.0]), 'seed 2': np.array([1.0])})
    (axes,) = seen(figure)
    assert (axes.get_yscale(), axes.get_xlabel()) == ('log', 'ADMM iteration (-)')
    first, second = curves(axes)
    assert first.get_xdata().tolist() == [1, 2, 3]
    assert np.isnan(first.get_ydata()).tolist() == [False, False, True]  # no logarithm of zero
    assert texts(figure.legends[0]) == ['seed 1', 'seed 2']


def test_all_figures_are_saved(directed, tmp_path):
    paths = save_all(directed, tmp_path, baseline=directed)
    assert [path.name for path in paths] == [
        'states_and_inputs.png',
        'learning_curves.png',
        'parameters.png',
        'parameters_tank.png',
        'parameters_valve.png',
        'parameters_heater.png',
    ]
    for path in paths:
        assert path.read_bytes().startswith(b'\x89PNG')
        assert len(np.unique(imread(path)[..., 0])) > 50  # shades of red: there is something to be seen


def test_a_run_that_was_stopped_at_once_has_figures(tmp_path):
    settings = Settings()
    run = run_of(tmp_path / 'run', settings.make_system(), settings, 0)
    names = [path.name for path in save_all(run, tmp_path, baseline=[])]
    assert names == ['states_and_inputs.png', 'learning_curves.png']


def test_letters_can_be_read_in_print_and_settings_are_left_alone(chain):
    before = dict(matplotlib.rcParams)
    for figure, width in (
        (states_and_inputs(chain), 7.16),
        (learning_curves(chain), 3.5),
        (parameters(chain), 7.16),
        (dual_error({'a': np.ones(3)}), 3.5),
    ):
        assert figure.get_figwidth() == width
        sizes = [
            text.get_fontsize()
            for axes in figure.axes
            for text in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels())
        ]
        assert min(sizes) >= 8 and max(sizes) <= 9
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_loaded():
    program = (
        f'import sys; sys.path[:0] = {sys.path!r}; import dmpcrl_ros.recording.figures; '
        'print("matplotlib.pyplot" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', program], capture_output=True, text=True).stdout == 'False\n'

"""Generator and discriminator: shapes, the scope they slide, gradients, interruption, TorchScript-free determinism."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from SSPELib.errors import Cancelled
from SSPELib.model import prediction
from SSPELib.model.bundle import build_generator, load_bundle
from SSPELib.model.device import computes_bf16
from SSPELib.model.networks import GENERATORS
from SSPELib.model.networks.blocks import InstanceNorm, ResidualBlock, ScopeStem, Upsample
from SSPELib.model.networks.convolution import Convolution
from SSPELib.model.networks.interruption import followed
from SSPELib.model.networks.resunet import ResUNet
from SSPELib.model.networks.transformer import sinusoidal_positions
from SSPEResearch.training.discriminator import PatchDiscriminator

every_generator = pytest.mark.parametrize("architecture", list(GENERATORS))


@every_generator
@pytest.mark.parametrize(
    ("arguments", "shapes"),
    [
        ({"base": 4, "depth": 2}, [(16, 16, 16), (8, 24, 20)]),
        ({"base": 4, "depth": 3}, [(16, 24, 32), (24, 16, 40)]),
        ({"base": 2, "depth": 4, "kernel_size": 3, "end_kernel_size": 7}, [(32, 32, 48)]),
    ],
)
def test_one_generator_takes_scopes_of_every_size(architecture, arguments, shapes):
    network = build_generator(architecture, 6, arguments)
    for shape in shapes:
        assert network(torch.randn(2, 1, *shape)).shape == (2, 1, *shape)


@pytest.mark.parametrize(
    ("architecture", "millions"), [("ResUNet", 5.02), ("TransUNet", 13.73), ("TransResUNet", 13.77)]
)
def test_paper_configurations_have_the_sizes_they_should_have(architecture, millions):
    network = build_generator(architecture, 46, {"base": 16, "depth": 4, "end_kernel_size": 7})
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.001)


def test_paper_configurations_have_twelve_transformer_layers_of_eight_heads():
    layers = [m for m in build_generator("TransResUNet", 46, {}).modules() if hasattr(m, "self_attn")]
    assert [layer.self_attn.num_heads for layer in layers] == [8] * 12


def test_positions_tell_every_voxel_apart_and_do_not_depend_on_the_size_of_the_scope():
    positions = sinusoidal_positions(6, 7, 9, 32).view(6, 7, 9, 32)
    flat = positions.reshape(-1, 32)
    distances = torch.cdist(flat, flat) + torch.eye(len(flat)) * 10
    assert distances.min() > 0.1
    larger = sinusoidal_positions(8, 9, 13, 32).view(8, 9, 13, 32)
    assert torch.allclose(larger[2:, 1:-1, 2:-2], positions, atol=1e-5)


def test_the_transformer_sees_the_whole_scope():
    network = build_generator("TransUNet", 8, {"base": 4, "depth": 2, "layers": 1}).eval()
    scope = torch.randn(1, 1, 16, 16, 96)
    changed = scope.clone()
    changed[..., 0] += 1
    with torch.no_grad():
        far = (network(changed) - network(scope)).abs()[..., -8:]
    assert far.max() > 1e-6


@every_generator
def test_prediction_gives_what_training_gives(architecture):
    network = build_generator(architecture, 8, {"base": 4, "depth": 2})
    scope = torch.randn(1, 1, 16, 16, 24)
    trained = network.train()(scope).detach()
    with torch.inference_mode():
        # PyTorch takes another path through its transformer layers here.
        predicted = network.eval()(scope)
    assert torch.allclose(predicted, trained, atol=1e-4)


@given(
    size=st.tuples(st.integers(4, 13), st.integers(4, 9), st.integers(4, 9)),
    kernel=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
)
def test_a_convolution_of_a_single_scope_is_the_one_of_pytorch_gradients_too(size, kernel, stride, mode):
    options = {"stride": stride, "padding": kernel // 2, "padding_mode": mode}
    ours, theirs = Convolution(3, 5, kernel, **options), torch.nn.Conv3d(3, 5, kernel, **options)
    theirs.load_state_dict(ours.state_dict())
    made, gradients = [], []
    for layer in (ours, theirs):
        scope = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1), requires_grad=True)
        made.append(layer(scope))
        made[-1].square().sum().backward()
        gradients.append([scope.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(*made, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 16), (1, 5), (16, 1), (5, 2)])
@pytest.mark.parametrize(("kernel", "mode"), [(7, "zeros"), (5, "reflect")])
def test_a_large_kernel_with_few_channels_on_a_side_is_the_one_of_pytorch(inputs, outputs, kernel, mode):
    options = {"padding": kernel // 2, "padding_mode": mode}
    ours, theirs = Convolution(inputs, outputs, kernel, **options), torch.nn.Conv3d(inputs, outputs, kernel, **options)
    theirs.load_state_dict(ours.state_dict())
    scope = torch.randn(2, inputs, 9, 10, 13, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(ours(scope), theirs(scope), rtol=1e-4, atol=1e-5)
        layout = torch.channels_last_3d
        ours.to(memory_format=layout)
        torch.testing.assert_close(ours(scope.contiguous(memory_format=layout)), theirs(scope), rtol=1e-4, atol=1e-5)


def test_a_pytorch_that_cannot_tell_of_bfloat16_goes_without(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not computes_bf16()


def test_large_scopes_are_predicted_in_bfloat16_and_can_be_followed(monkeypatch):
    torch.manual_seed(2)
    network = prediction.ready(build_generator("ResUNet", 8, {"base": 4, "depth": 2}), torch.device("cpu"))
    scope = 0.3 * torch.randn(1, 1, 16, 24, 24)
    monkeypatch.setattr(prediction, "computes_bf16", lambda: True)
    heard = []
    with torch.inference_mode():
        exact = prediction.predicted(network, scope)
        assert torch.equal(exact, network(scope))
        monkeypatch.setattr(prediction, "LARGE_VOXELS", scope.numel())
        with followed(network, heard.append):
            coarse = prediction.predicted(network, scope)
    assert coarse.dtype == torch.float32
    assert 0 < (coarse - exact).abs().mean() < 0.05 * exact.std()
    assert next(network.parameters()).dtype == torch.float32
    assert len(heard) == sum(isinstance(module, torch.nn.Conv3d) for module in network.modules())


def test_a_single_scope_takes_the_fast_convolution_of_pytorch():
    network = build_generator("ResUNet", 8, {})
    with torch.profiler.profile(record_shapes=True) as profile, torch.inference_mode():
        network(torch.randn(1, 1, 32, 32, 32))
    taken = {name: [] for name in ("aten::slow_conv3d_forward", "aten::mkldnn_convolution")}
    for event in profile.events():
        if event.name in taken:
            taken[event.name].append(event.input_shapes[1][2:])
    assert [3, 3, 3] in taken["aten::mkldnn_convolution"]
    assert taken["aten::slow_conv3d_forward"].count([3, 3, 3]) == 0


@every_generator
def test_checkpointed_activations_give_the_same_gradients(architecture):
    scope = torch.randn(1, 1, 16, 16, 16)
    network = build_generator(architecture, 8, {"base": 4, "depth": 3})
    gradients = []
    for network.activation_checkpointing in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            network(scope).square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


def test_bundled_weights_fit_the_network():
    network = load_bundle().network(torch.device("cpu"))
    assert not network.training
    with torch.inference_mode():
        assert torch.isfinite(network(torch.full((1, 1, 32, 16, 16), -1.0))).all()


def test_stem_shows_the_scope_as_it_will_lie_and_what_is_new():
    scope = torch.randn(1, 1, 16, 4, 4)
    channels = ScopeStem(step=6)(scope)
    assert channels.shape == (1, 3, 16, 4, 4)
    assert torch.equal(channels[:, :1], scope)
    assert torch.equal(channels[:, 1:2, :10], scope[:, :, 6:])
    assert torch.equal(channels[:, 1:2, 10:], scope[:, :, -1:].expand(-1, -1, 6, -1, -1))
    ramp = channels[0, 2, :, 0, 0]
    assert (ramp[:10] < 0).all()
    assert (ramp[10:] > 0).all()


@every_generator
def test_every_parameter_takes_part_in_the_gradient(architecture):
    network = build_generator(architecture, 8, {"base": 4, "depth": 2})
    network(torch.randn(1, 1, 16, 16, 16)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@every_generator
def test_deep_levels_stay_in_float32_under_autocast(architecture):
    network = build_generator(architecture, 8, {"base": 4, "depth": 3, "deep_precision_level": 2})
    seen = {}
    for name in ("encoders.1", "encoders.2", "bottom"):
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.dtype}))
    network.encoders[1].body[0].register_forward_hook(lambda _, __, output: seen.update(shallow=output.dtype))
    network.encoders[2].body[0].register_forward_hook(lambda _, __, output: seen.update(deep=output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = network(torch.randn(1, 1, 16, 16, 16))
    assert seen["shallow"] == torch.bfloat16
    assert seen["deep"] == seen["bottom"] == torch.float32
    assert torch.isfinite(result).all()


def test_upsampling_leaves_no_checkers():
    layer = Upsample(1, 1)
    layer.reduce = torch.nn.Identity()
    ramp = torch.arange(8.0).view(1, 1, 1, 1, 8).expand(1, 1, 8, 8, 8)
    inner = layer(ramp)[0, 0, 8, 8, 2:-2]
    steps = inner.diff()
    assert torch.allclose(steps, steps.mean().expand_as(steps), atol=1e-5)


def test_residual_block_shortcut_fits_changed_channels():
    assert ResidualBlock(3, 5)(torch.randn(1, 3, 8, 8, 8)).shape == (1, 5, 8, 8, 8)


def test_discriminator_gives_a_map_and_its_features():
    judged, features = PatchDiscriminator(base=4, depth=3)(torch.randn(2, 1, 32, 32, 48))
    assert judged.shape == (2, 1, 4, 4, 6)
    assert [tuple(f.shape[1:]) for f in features] == [(4, 16, 16, 24), (8, 8, 8, 12), (16, 4, 4, 6)]


def test_a_pass_can_be_followed_and_cancelled_inside_and_leaves_no_hook():
    network = ResUNet(step=8, base=4, depth=2)
    scope = torch.randn(1, 1, 16, 16, 16)
    heard: list[float] = []
    with followed(network, heard.append):
        network(scope)
    count = sum(isinstance(module, torch.nn.Conv3d) for module in network.modules())
    assert heard == pytest.approx([number / count for number in range(count)])

    def cancel(done: float) -> None:
        heard.append(done)
        if done > 0.1:
            raise Cancelled

    heard.clear()
    with pytest.raises(Cancelled), followed(network, cancel):
        network(scope)
    assert 0 < len(heard) < count
    heard.clear()
    network(scope)
    assert not heard


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_normalization_of_a_gpu_is_that_of_the_cpu_and_keeps_layout_and_type(kind: torch.dtype):
    torch.manual_seed(1)
    norm = InstanceNorm(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    features = (3 + 2 * torch.randn(2, 6, 4, 5, 7)).requires_grad_()
    expected = norm(features)
    given = features.to(kind).to(memory_format=torch.channels_last_3d)
    found = norm.normalized(given)
    assert found.dtype == kind
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.allclose(found.float(), expected, atol=1e-5 if kind == torch.float32 else 0.08)
    gradients = [torch.autograd.grad(made.float().square().sum(), norm.weight)[0] for made in (expected, found)]
    assert torch.allclose(*gradients, rtol=1e-4 if kind == torch.float32 else 0.02, atol=0.5)

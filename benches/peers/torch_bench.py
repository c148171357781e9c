#!/usr/bin/env python3
"""Times PyTorch on the convolutions and the small U-Net of `peers`, and on R2AttU-Net as `gyre bench` has it.

    python3 torch_bench.py [--runs 7] [--json results.json] [--small] [--only "u-net,3x3 64"]
                           [--ways "compiled,AMP"] [--device cpu] [--profile]

Ways: eager and compiled (torch.compile), each in both layouts, each in f32 (TF32 off) and, on CUDA, in TF32
and under AMP (autocast to f16, with a GradScaler in training). Medians after warm-up: CUDA events, or the
clock on the CPU. Rates count the convolutions' operations by the direct algorithm. The JSON has the form of
that of `peers`, with ways in the place of engines. Wants PyTorch 2.4 or newer.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Callable

try:
    import torch
except ImportError:
    print("PyTorch is not installed; nothing is timed.")
    sys.exit(0)

from torch import nn
from torch.nn import functional as F

WARM_UP = 5


# The networks.


class ConvReLU(nn.Sequential):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """That of cases.rs: two 3x3 convolutions with ReLU a level, no batch norm, nearest upsampling."""

    def __init__(self, strided, widths=(16, 32, 64)):
        super().__init__()
        inputs = (3, *widths[:-1])
        self.down = nn.ModuleList(ConvReLU(c, c, 2) if strided else nn.MaxPool2d(2) for c in widths[:-1])
        self.encoders = nn.ModuleList(self.pair(c, width) for c, width in zip(inputs, widths))
        self.decoders = nn.ModuleList(self.pair(c + below, c) for c, below in zip(widths, widths[1:]))
        self.head = nn.Conv2d(widths[0], 1, 1)

    @staticmethod
    def pair(inputs, outputs):
        return nn.Sequential(ConvReLU(inputs, outputs), ConvReLU(outputs, outputs))

    def forward(self, x):
        x = self.encoders[0](x)
        skips = []
        for down, encoder in zip(self.down, self.encoders[1:]):
            skips.append(x)
            x = encoder(down(x))
        for decoder in reversed(self.decoders):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = decoder(torch.cat([skips.pop(), x], 1))
        return self.head(x)


class ConvNorm(nn.Sequential):
    """Convolution and batch norm, with an activation where one is given."""

    def __init__(self, inputs, outputs, kernel, *activation):
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        super().__init__(conv, nn.BatchNorm2d(outputs), *activation)


class Recurrent(nn.Module):
    """The unit of R2U-Net: one convolution, applied t + 1 times to its input plus its last result."""

    def __init__(self, channels, t):
        super().__init__()
        self.t = t
        self.conv = ConvNorm(channels, channels, 3, nn.ReLU(inplace=True))

    def forward(self, x):
        p = self.conv(x)
        for _ in range(self.t):
            p = self.conv(x + p)
        return p


class RecurrentBlock(nn.Module):
    """A 1x1 convolution and two recurrent units that are added to it."""

    def __init__(self, inputs, outputs, t):
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, 1)
        self.units = nn.Sequential(Recurrent(outputs, t), Recurrent(outputs, t))

    def forward(self, x):
        x = self.project(x)
        return x + self.units(x)


class Gate(nn.Module):
    """The additive attention gate of Attention U-Net."""

    def __init__(self, channels):
        super().__init__()
        inner = max(channels // 2, 1)
        self.from_g = ConvNorm(channels, inner, 1)
        self.from_x = ConvNorm(channels, inner, 1)
        self.psi = ConvNorm(inner, 1, 1, nn.Sigmoid())

    def forward(self, g, x):
        return x * self.psi(F.relu(self.from_g(g) + self.from_x(x)))


class R2AttUNet(nn.Module):
    def __init__(self, channels, widths=(64, 128, 256, 512, 1024), t=2):
        super().__init__()
        inputs, pairs = (channels, *widths[:-1]), list(zip(widths, widths[1:]))
        self.encoders = nn.ModuleList(RecurrentBlock(c, width, t) for c, width in zip(inputs, widths))
        self.ups = nn.ModuleList(ConvNorm(below, c, 3, nn.ReLU(inplace=True)) for c, below in pairs)
        self.gates = nn.ModuleList(Gate(c) for c in widths[:-1])
        self.decoders = nn.ModuleList(RecurrentBlock(2 * c, c, t) for c in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x = self.encoders[0](x)
        skips = []
        for encoder in self.encoders[1:]:
            skips.append(x)
            x = encoder(F.max_pool2d(x, 2))
        for up, gate, decoder in reversed(list(zip(self.ups, self.gates, self.decoders))):
            x = up(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = decoder(torch.cat([gate(x, skips.pop()), x], 1))
        return self.head(x)


def check_sizes():
    """The published numbers of parameters, as tests/models.rs states them."""
    with torch.device("meta"):
        for channels, known in [(3, 39_442_925), (1, 39_442_797)]:
            count = sum(p.numel() for p in R2AttUNet(channels).parameters())
            assert count == known, f"R2AttU-Net of {channels} channels has {count} parameters, not {known}"


# What is timed.


@dataclass
class Case:
    name: str
    make: Callable[[], nn.Module]
    picture: tuple  # N, C, H, W
    optimizer: type | None = None  # of a network; a single convolution has none

    def passes(self):
        return ["forward", "both" if self.optimizer is None else "step"]

    def flops(self, name):
        """Operations of the convolutions; nobody asks for the gradient of a network's picture."""
        each = []

        def note(conv, _, y):
            each.append(2 * y.numel() * conv.weight[0].numel())

        with torch.device("meta"):
            model = self.make()
            for conv in (m for m in model.modules() if isinstance(m, nn.Conv2d)):
                conv.register_forward_hook(note)
            model(torch.empty(self.picture))
        forward = sum(each)
        return {"forward": forward, "both": 3 * forward, "step": 3 * forward - each[0]}[name]


def cases(small):
    def conv(channels, size, kernel, depthwise=False):
        groups = channels if depthwise else 1
        name = f"{'depthwise ' if depthwise else ''}{kernel}x{kernel} {channels}->{channels} at {size}"
        make = lambda: nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=False)
        return Case(name, make, (1, channels, size, size))

    def unet(strided):
        name = f"U-Net [16, 32, 64] at 128, {'strided' if strided else 'max pooling'}"
        return Case(name, lambda: UNet(strided), (1, 3, 128, 128), torch.optim.SGD)

    widths, size = ((8, 16, 32, 64, 128), 128) if small else ((64, 128, 256, 512, 1024), 256)
    r2attunet = Case(
        f"r2attunet {widths[0]}..{widths[-1]}, 4 of {size}x{size}",
        lambda: R2AttUNet(1, widths),
        (4, 1, size, size),
        torch.optim.Adam,
    )
    convs = [conv(64, 128, 3), conv(16, 128, 3), conv(128, 64, 3), conv(64, 128, 1), conv(64, 128, 3, True)]
    return [*convs, unet(False), unet(True), r2attunet]


@dataclass
class Way:
    layout: torch.memory_format
    compiled: bool
    precision: str  # f32, TF32 or AMP

    @property
    def name(self):
        words = ["compiled" if self.compiled else "eager"]
        if self.layout == torch.channels_last:
            words.append("channels-last")
        return " ".join([*words, self.precision])


def ways(device):
    precisions = ["f32", "TF32", "AMP"] if device.type == "cuda" else ["f32"]
    layouts = [torch.contiguous_format, torch.channels_last]
    return [Way(layout, compiled, p) for p in precisions for compiled in [False, True] for layout in layouts]


def prepare(case, name, way, device):
    """A function that runs the pass once; on CUDA it does not wait."""
    torch.manual_seed(0)
    torch.compiler.reset()
    tf32 = way.precision == "TF32"
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # its own search, as the engines of `peers` search
    amp = way.precision == "AMP"
    autocast = lambda: torch.autocast(device.type, torch.float16, enabled=amp)
    module = case.make().to(device, memory_format=way.layout)
    x = torch.rand(case.picture, device=device).contiguous(memory_format=way.layout)
    model = torch.compile(module) if way.compiled else module

    def forward():
        with torch.inference_mode(), autocast():
            return model(x)

    def both():
        with autocast():
            y = model(x)
        return torch.autograd.grad(y, [x, module.weight], torch.ones_like(y))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = F.binary_cross_entropy_with_logits(model(x), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    if name == "forward":
        module.eval()
        return forward
    if name == "both":
        x.requires_grad_()
        return both
    target = torch.rand(case.picture[0], 1, *case.picture[2:], device=device).gt(0.5).float()
    # Fused: the fastest form of its updates.
    optimizer = case.optimizer(module.parameters(), lr=1e-4, fused=device.type == "cuda")
    scaler = torch.amp.GradScaler(device.type, enabled=amp)
    return step


# Timing and telling.


def milliseconds(run, device):
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1e3


def profile(run, device, top=12):
    """Prints the kernels (on the CPU: operators) with the largest own time, and the convolutions' share."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    cuda = device.type == "cuda"
    with record(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as recorded:
        run()
        if cuda:
            torch.cuda.synchronize()
    events = recorded.key_averages()
    own = lambda event: event.self_device_time_total if cuda else event.self_cpu_time_total
    # On CUDA a kernel's time is told twice, as its own and as that of the operator that launched it; the
    # operator's name says more surely what is a convolution.
    of = lambda kind: [e for e in events if e.device_type == kind and not e.is_user_annotation]
    on_device, operators = of(torch.autograd.DeviceType.CUDA), of(torch.autograd.DeviceType.CPU)
    shown = on_device if cuda else operators
    total = sum(map(own, shown)) or 1
    convolutions = sum(own(e) for e in operators if "conv" in e.key)
    print(f"    {total / 1e3:.3f} ms in kernels, convolutions {convolutions / total:.0%}")
    for event in sorted(shown, key=own, reverse=True)[:top]:
        print(f"    {own(event) / 1e3:10.3f} ms {own(event) / total:5.1%} {event.count:5} x {event.key[:90]}")


def measure(case, name, way, device, options):
    """Median milliseconds; why there are none."""
    try:
        run = prepare(case, name, way, device)
        for _ in range(WARM_UP):
            run()
        ms = statistics.median(milliseconds(run, device) for _ in range(options.runs))
    # Out of memory, or what the compiler cannot do here.
    except RuntimeError as error:
        return None, str(error).strip().splitlines()[0]
    print(f"  {name:8} {way.name:28} {ms:10.3f} ms {case.flops(name) / ms * 1e-6:10.2f} GFLOP/s", flush=True)
    if options.profile:
        profile(run, device)
    return ms, None


def row(case, chosen, device, options):
    """Times all passes of a case in all ways; the row of the results."""
    print(case.name)
    told = {"shape": case.name}
    for name in case.passes():
        rates, times, without = {}, {}, {}
        for way in chosen:
            ms, reason = measure(case, name, way, device, options)
            if ms is None:
                print(f"  {name:8} {way.name:28} none: {reason}")
                without[way.name] = reason
            else:
                rates[way.name], times[way.name] = case.flops(name) / ms * 1e-6, ms
            if device.type == "cuda":
                torch.cuda.empty_cache()
        told |= {name: rates, f"{name} ms": times, f"{name} without": without}
    return told


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--runs", type=int, default=7, help="runs that are timed, after the warm-up")
    parser.add_argument("--json", help="where the results go")
    parser.add_argument("--small", action="store_true", help="R2AttU-Net 8..128 at 128x128, for a CPU")
    parser.add_argument("--only", default="", help="cases whose names hold one of these, by commas")
    parser.add_argument("--ways", default="", help="ways whose names hold one of these, by commas")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--profile", action="store_true", help="where the time goes, for every pass")
    options = parser.parse_args()
    check_sizes()
    device = torch.device(options.device)
    cpu = f"CPU, {torch.get_num_threads()} threads"
    adapter = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    adapter = f"{adapter} (PyTorch {torch.__version__})"
    print(adapter)
    print(f"medians of {options.runs}: forward; both: with both gradients; step: of training")
    holds = lambda name, words: any(word.strip().lower() in name.lower() for word in words.split(","))
    chosen = [way for way in ways(device) if holds(way.name, options.ways)]
    rows = [row(c, chosen, device, options) for c in cases(options.small) if holds(c.name, options.only)]
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"adapter": adapter, "runs": options.runs, "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()

"""The part of training that must survive a kill: float32 masters, moments, averages, the step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tosa_edge import machine
from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import require_regular
from tosa_edge.nn.net import VisionNet
from tosa_edge.training.parallel import average, device


def compute_type() -> torch.dtype:
    """bfloat16 where the machine multiplies it in hardware; elsewhere it would only be slower."""
    if device().type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = any("bf16" in feature for feature in machine.cpu_features())
    return torch.bfloat16 if fast else torch.float32


class Masters:
    """AdamW on float32 copies of a model's weights, with an exponential moving average.

    The model itself is taken over in float32 and computes in bfloat16 from then on: eight bits of mantissa
    are enough to compute with, but not to add small steps to. Where several processes train together, all
    hold the same masters and step by the mean of their gradients.
    """

    def __init__(self, net: VisionNet, rates: dict[str, float], weight_decay: float, average: float) -> None:
        self.net, self.average = net, average
        self.names = [name for name, p in net.named_parameters() if rates[name] > 0]
        net.to(device())
        self.weights = {name: p.detach().float().clone() for name, p in net.named_parameters()}
        self.averages = {name: w.clone() for name, w in self.weights.items()}
        net.to(compute_type()).train()
        for name, p in net.named_parameters():
            p.requires_grad_(rates[name] > 0)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": [self.weights[n]],
                    "peak": rates[n],
                    "weight_decay": weight_decay * (self.weights[n].ndim > 1),
                }
                for n in self.names
            ],
            betas=(0.9, 0.99),
            fused=True,
        )

    def step(self, factor: float, step: int, clip: float = 1.0) -> float:
        """One update at `factor` of the peak rates; returns the norm of the gradient."""
        parameters = dict(self.net.named_parameters())
        for name in self.names:
            grad = parameters[name].grad
            self.weights[name].grad = None if grad is None else grad.float()
            parameters[name].grad = None
        average([g for n in self.names if (g := self.weights[n].grad) is not None])
        norm = torch.nn.utils.clip_grad_norm_([self.weights[n] for n in self.names], clip)
        if norm.isfinite():
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            self.optimizer.step()
        # The average of few steps must not remember the start.
        decay = min(self.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for name in self.names:
                parameters[name].copy_(self.weights[name])
                self.averages[name].lerp_(self.weights[name], 1 - decay)
        return float(norm)

    def averaged(self) -> VisionNet:
        """The averaged weights as a float32 model of its own."""
        net = VisionNet(self.net.config)
        net.load_state_dict({name: w.cpu() for name, w in self.averages.items()}, strict=True)
        return net.eval()

    def save(self, path: Path, step: int) -> None:
        """Everything a restart needs."""
        from safetensors.torch import save

        tensors: dict[str, Tensor] = {"step": torch.tensor(step)}
        tensors |= {f"weights/{n}": w.detach() for n, w in self.weights.items()}
        tensors |= {f"averages/{n}": w for n, w in self.averages.items()}
        for name, group in zip(self.names, self.optimizer.param_groups, strict=True):
            for key, value in self.optimizer.state.get(group["params"][0], {}).items():
                tensors[f"moments/{name}/{key}"] = torch.as_tensor(value)
        write_bytes(path, save({k: v.contiguous() for k, v in tensors.items()}))

    def restore(self, path: Path) -> int:
        """Takes up a saved run; returns the step it had reached."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        require_regular(path, limit=None)
        try:
            tensors = load_file(path, device=str(device()))
        except (SafetensorError, OSError) as error:
            raise TosaEdgeError(
                f"{path} is not a complete checkpoint: {error}",
                "Delete it to begin this stage anew, or put back a copy.",
            ) from error
        parameters = dict(self.net.named_parameters())
        for name, weight in self.weights.items():
            for kind in ("weights", "averages"):
                found = tensors.get(f"{kind}/{name}")
                if found is None or found.shape != weight.shape:
                    raise _not_ours(path, name)
        for name, tensor in tensors.items():
            _, _, owner = name.partition("/")
            owned = self.weights.get(owner.rpartition("/")[0])
            if name.startswith("moments/") and tensor.ndim and (owned is None or tensor.shape != owned.shape):
                raise _not_ours(path, name)
        if "step" not in tensors or tensors["step"].numel() != 1 or tensors["step"].is_floating_point():
            raise _not_ours(path, "step")
        with torch.no_grad():
            for name in self.weights:
                self.weights[name].copy_(tensors[f"weights/{name}"])
                self.averages[name].copy_(tensors[f"averages/{name}"])
                parameters[name].copy_(self.weights[name])
        for name in self.names:
            prefix = f"moments/{name}/"
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if state:
                self.optimizer.state[self.weights[name]] = state
        return int(tensors["step"])


def step_of(path: Path) -> int:
    """How far a saved run had come; 0 where there is none, or none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        require_regular(path, limit=None)
        with safe_open(path, framework="np") as file:
            return int(file.get_tensor("step"))
    except (SafetensorError, OSError, TypeError, TosaEdgeError):
        return 0


def _not_ours(path: Path, name: str) -> TosaEdgeError:
    return TosaEdgeError(
        f"{path} is the state of another model: its {name} does not fit",
        "Give another folder with -o, or delete that one.",
    )

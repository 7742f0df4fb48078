"""The network: convolutions of each cube, then an LSTM over the visits.

References
----------
Hochreiter S and Schmidhuber J, Long short-term memory, Neural Comput 1997, 9:1735. Convolutions
before an LSTM over time: Donahue J et al., CVPR 2015.
"""

from __future__ import annotations

from typing import Any

from commissure.image_sequence.settings import SequenceSettings

#: Channels that are seen of a cube (the image, the lesions, the image in the lesions alone), and
#: numbers that are said of a visit beside its cubes.
CUBE_CHANNELS, TIME_NUMBERS = 3, 2


def new_network(settings: SequenceSettings, *, seed: int) -> Any:
    """A network with drawn weights, a ``torch.nn.Module`` on the processor.

    It is called with ``cubes`` (cubes, 3, edge, edge, edge), ``mean_of`` (people * visits, cubes)
    by which the cubes of each visit are averaged, ``times`` (people, visits, 2) and ``lengths``
    (people,), visits of each; it gives logits, (people,). Visits beyond the length of a person are
    not seen. There is no normalisation over people or cubes: nobody's logit depends on who else is
    in the batch.
    """
    import torch
    from torch import nn

    class SequenceNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            before = CUBE_CHANNELS
            for channels in settings.channels:
                layers += [nn.Conv3d(before, channels, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
                before = channels
            self.convolutions = nn.Sequential(*layers)
            self.memory = nn.LSTM(2 * before + TIME_NUMBERS, settings.hidden, batch_first=True)
            self.left_out = nn.Dropout(settings.dropout)
            self.says = nn.Linear(settings.hidden, 1)

        def forward(self, cubes: Any, mean_of: Any, times: Any, lengths: Any) -> Any:
            voxels = self.convolutions(cubes).flatten(2)
            # Means by a product, and no adaptive pooling: the same bits on a graphics processor.
            of_cube = torch.cat([voxels.mean(2), voxels.amax(2)], dim=1)
            of_visit = (mean_of @ of_cube).view(*times.shape[:2], -1)
            visits = nn.utils.rnn.pack_padded_sequence(
                torch.cat([of_visit, times], dim=2), lengths.cpu(), batch_first=True,
                enforce_sorted=False,
            )  # fmt: skip
            _, (last, _) = self.memory(visits)
            return self.says(self.left_out(last[-1]))[:, 0]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SequenceNetwork()

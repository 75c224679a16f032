"""The cost of password verification: parameters of identity/passwords.py beside OWASP's others and the library's own.

Each is verified on every core at once, as the server does, in a separate process, whose peak memory is reported.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import page
from harness import Spread

from radius_voice.identity.passwords import DEFAULT, Parameters, hash_password, verify

NEIGHBOURS = [
    Parameters(47_104, 1, 1),
    Parameters(19_456, 2, 1),
    Parameters(12_288, 3, 1),
    Parameters(9_216, 4, 1),
    Parameters(7_168, 5, 1),
    Parameters(65_536, 3, 4),
]
"""OWASP's list of equal strength, the strongest first, and argon2-cffi's default (RFC 9106's second choice)."""

SECONDS = 2.0


def measured(parameters: Parameters) -> tuple[float, float, float]:
    """Milliseconds of CPU a verification, verifications a second on all cores, MiB of memory more than before."""
    hashed = hash_password("password", parameters)
    cores = len(os.sched_getaffinity(0))
    until = time.perf_counter() + SECONDS
    began, spent = time.perf_counter(), time.process_time()

    def check_on(_: int) -> int:
        count = 0
        while time.perf_counter() < until:
            verify(hashed, "password")
            count += 1
        return count

    with ThreadPoolExecutor(cores) as pool:
        checked = sum(pool.map(check_on, range(cores)))
    took, spent = time.perf_counter() - began, time.process_time() - spent
    return spent / checked * 1e3, checked / took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = page.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows: list[list[object]] = [
        ["memory, passes, lanes", "CPU, ms", "checks a second, all cores", "process at most, MiB"]
    ]
    fresh = multiprocessing.get_context("spawn")
    for parameters in NEIGHBOURS:
        found = []
        for _ in range(args.rounds):
            with fresh.Pool(1) as pool:
                found.append(pool.apply(measured, (parameters,)))
        cpu, rate, memory = (Spread.of(column) for column in zip(*found, strict=True))
        ours = " (ours)" if parameters == DEFAULT else ""
        words = f"{parameters.memory / 1024:g} MiB, {parameters.time}, {parameters.parallelism}{ours}"
        rows.append([words, cpu.fine, rate, memory])
    method = f"`python bench/passwords.py`: medians (least and most) of {args.rounds} rounds of {SECONDS:g} s."
    page.show("passwords", method, rows, page=args.page)


if __name__ == "__main__":
    main()

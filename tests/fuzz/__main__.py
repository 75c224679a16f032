"""`python -m tests.fuzz TARGET SECONDS`: one target under atheris. What breaks it is kept in `.fuzz/TARGET/`."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["radius_voice", "yaml", "twilio"]):
    from tests.fuzz.targets import SEEDS


def main():
    _, name, seconds = sys.argv
    (target,) = [target for target in SEEDS if target.__name__ == name]
    kept = Path(".fuzz") / name
    corpus = kept / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        (corpus / f"seed{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=4200"]
    report = ["-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={kept}/"]
    atheris.Setup([sys.argv[0], *limits, *report, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

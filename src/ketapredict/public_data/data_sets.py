"""The one declaration of every public data set: source, version, files with their hashes, licence, citation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Path below the data set's address; it is stored under its last part.
    sha256 : str
        Hash of the published bytes, hexadecimal.
    """

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Name under which it is stored."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class DataSet:
    """One public data set.

    Attributes
    ----------
    name : str
        What `ketapredict fetch` calls it.
    title, version, licence, citation : str
    page : str
        Where a person can download it by hand.
    base_url : str
        What the paths of its files are relative to; ends in `/`.
    files : tuple of PublishedFile
    mappings : tuple of str
        The project's mappings for it; the first is the one to begin with.
    protocol : str
        The project's protocol for it.
    """

    name: str
    title: str
    version: str
    licence: str
    citation: str
    page: str
    base_url: str
    files: tuple[PublishedFile, ...]
    mappings: tuple[str, ...]
    protocol: str


DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="nimh-ds005917",
            title="NIMH Ketamine Mechanism of Action Study",
            version="1.0.1",
            licence="CC0",
            citation="Jennifer W. Evans, Allison C. Nugent and Carlos A. Zarate (2025). NIMH Ketamine Mechanism of "
            "Action Study. OpenNeuro, version 1.0.1. doi:10.18112/openneuro.ds005917.v1.0.1",
            page="https://openneuro.org/datasets/ds005917/versions/1.0.1",
            base_url="https://raw.githubusercontent.com/OpenNeuroDatasets/ds005917/1.0.1/",
            files=(
                PublishedFile("participants.tsv", "34cdc8adfe06e76ca276216e00ea2dc1ae12c03ce186038d9fa541cb1ae4e592"),
                PublishedFile("participants.json", "1b3d54b2f5cfeb8fe2ff2c0a822aff2704b93aba8b1c22572396e676d02ec45a"),
                PublishedFile(
                    "phenotype/phenotype.tsv", "5a4c4f92a72cb50070f7ffbd50ce3e5ea34a40c1e0f6245c27d1dc6575084b28"
                ),
                PublishedFile(
                    "phenotype/phenotype.json", "fc1ab7a7fbb9bd33f2da5c385f40feda11aa75ff85554f4de729f023a1a9db82"
                ),
                PublishedFile("README", "b0880130124dd90b87b8776290b9f52a30514791ea331480d7785278af0b2e88"),
                PublishedFile("CHANGES", "f43410b5af3b45a0d0743b05ae6ff4c876f07e29af189638711254f7c02ea96e"),
                PublishedFile(
                    "dataset_description.json", "592a3a0c42bc8429ee9220422dd388b77343e01377631df1461454db7793d8d0"
                ),
            ),
            mappings=("nimh-ds005917-own-baseline.toml", "nimh-ds005917-first-baseline.toml"),
            protocol="nimh-ds005917.protocol.toml",
        ),
    )
}

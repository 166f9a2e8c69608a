"""A Spark session: the one that is there, or a local one on this machine's cores."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ketapredict.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS_OF_ARROW_BATCHES = 65_536
# A task may fail three times before the run does, as on a cluster.
_ATTEMPTS = 4
_LOOPBACK = "127.0.0.1"


@contextmanager
def spark_session() -> "Iterator[SparkSession]":
    """Give the active session, that of `spark-submit`, or a local one that listens on this machine only.

    Raises
    ------
    EngineError
        If pyspark or Java is absent, or Spark does not start.
    """
    refuse_without_spark()
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        yield active
        return
    builder = SparkSession.builder.appName("ketapredict score")
    if not SparkConf().contains("spark.master"):
        cores = os.process_cpu_count() or 1
        os.environ["PYSPARK_PYTHON"] = sys.executable
        os.environ["SPARK_LOCAL_IP"] = _LOOPBACK
        own = {
            "spark.master": f"local[{cores},{_ATTEMPTS}]",
            "spark.driver.host": _LOOPBACK,
            "spark.driver.bindAddress": _LOOPBACK,
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.sql.shuffle.partitions": str(2 * cores),
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_OF_ARROW_BATCHES),
        }
        for name, value in own.items():
            builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:
        raise EngineError(
            f"Expected Spark to start, found {type(error).__name__}. Its own messages above say why; Java 17 or later "
            "is needed, and JAVA_HOME must name it if it is set."
        ) from None
    try:
        yield session
    finally:
        session.stop()


def refuse_without_spark() -> None:
    """Raise EngineError if pyspark or Java is absent, with what to install."""
    try:
        with quiet_spark():
            import pyspark  # noqa: F401
    except ImportError:
        raise EngineError(
            "Expected pyspark for the engine spark, found none. Install it: pip install 'ketapredict[spark]'."
        ) from None
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    missing = (
        "Expected Java 17 or later for Spark, found none{}. Install it (Debian, Ubuntu: apt-get install "
        "openjdk-17-jre-headless) or let JAVA_HOME name it."
    )
    if java is None:
        raise EngineError(missing.format(" in JAVA_HOME" if home else ""))
    if subprocess.run([java, "-version"], capture_output=True, check=False).returncode:
        raise EngineError(missing.format(" that runs"))


@contextmanager
def quiet_spark() -> Iterator[None]:
    """Leave out that pyspark was not made for this pandas: only Arrow goes between the two."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield

"""An evaluation as a page to look at: figures, distributions, and the photos behind them."""

from matting_keras.report.page import write_report

__all__ = ["write_report"]

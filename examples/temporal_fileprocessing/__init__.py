"""Download, process, upload: cancellable, repeatable, resumable."""

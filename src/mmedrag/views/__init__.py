"""What people read: a trace, a report, as console text, Markdown, JSON and one HTML page."""

"""What Markdown alone does not render: code in colours, LaTeX as MathML, and marks inside both."""

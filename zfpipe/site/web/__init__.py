"""The page itself: templates, style sheets and scripts, carried into every gallery as they are."""

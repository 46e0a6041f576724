"""Has something changed in how much people edit? Control charts of a site's audit trails, by week and scanner."""

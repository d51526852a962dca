"""The admin site, in the order of the work."""

from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """One site for every staff page."""

    site_header = "raya_recs"
    site_title = "raya_recs"

"""The settings in one place: organisation, team, mail, privacy. Video interviews are `web.recruiter.templates`."""

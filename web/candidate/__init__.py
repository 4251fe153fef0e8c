"""What candidates see, all of it below /i/<token>: from the notice to the receipt."""

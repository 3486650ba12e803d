"""`tosa-edge package`: files for other people's hosts."""

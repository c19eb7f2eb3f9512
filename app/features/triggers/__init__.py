"""What starts runs without a person at the moment: schedules."""

"""The soak: two servers under churn and faults for minutes, and whether anything grows."""

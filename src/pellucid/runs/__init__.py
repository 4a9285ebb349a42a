"""A recorded run: found again, opened, rewound, compared, diagnosed."""

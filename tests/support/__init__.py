"""What tests share: programs of this machine, private PostgreSQL and Redis servers, the sample documents."""

"""What is deployed: nginx, the image's steps, units, and the cluster on one machine."""

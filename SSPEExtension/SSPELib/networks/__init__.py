"""The networks of the paper: generators and the patch discriminator, one network a file."""

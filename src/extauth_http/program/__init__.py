"""The program that ``extauth_program`` names: packets in, a decision each, replies out."""

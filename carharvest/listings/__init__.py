"""Listings: tables of cars for sale from anywhere, made into one clean table with evidence for every row."""

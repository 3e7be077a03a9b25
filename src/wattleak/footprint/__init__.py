"""From joules to what they do: grams of CO2 equivalent. Tables are shipped, each with source, year and licence."""

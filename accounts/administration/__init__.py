"""The pages of administrators: one site, whose every act is on record."""

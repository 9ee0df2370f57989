"""From payment lines to leave spells. There is no table of leaves in the SNDS: a leave is rebuilt here, in SQL."""

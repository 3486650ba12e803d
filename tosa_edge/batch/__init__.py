"""`tosa-edge batch`: depth for millions of pictures, by one process, by several, or by a cluster.

`plan` writes down once which pictures are which shard; `work` does one shard and gives it its name when it is
whole; a crew (`crews`, `ray_crew`) is who does that; `run` shares shards out among a crew and adds up.
"""

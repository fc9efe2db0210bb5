"""What methods of two views have in common that differ by what they make of z."""

from sslzoo.methods import sheets


class Projected:
    """z of a `Method` that is backbone and `projector`, and how it is looked at."""

    def project(self, images, training=True):
        pooled = self.backbone(images, training=training)["pooled"]
        return self.projector(pooled, training=training)

    def look(self, batch):
        """Projections of both views, in inference mode."""
        batch = self.shown(batch)
        return {f"z{i}": self.project(batch[f"view{i}"], False) for i in (1, 2)}

    def sheet(self, batch):
        """The two views, and the negatives that look most alike."""
        return sheets.of_views(self, batch)

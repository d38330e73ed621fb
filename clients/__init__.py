"""Everything that runs beside the camera: reassembly, headless client, page."""

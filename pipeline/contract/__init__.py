"""What travels between processes and under which names: messages, settings, keys, codecs. Imports nothing of ours;
everybody may import it."""
